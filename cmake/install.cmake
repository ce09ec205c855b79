# The program, its man page and its completions. The last three are printed by the program itself, from its option
# tables, at every build.
include(GNUInstallDirs)
set(docs ${PROJECT_BINARY_DIR}/docs)
install(TARGETS qbench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

if(CMAKE_CROSSCOMPILING)
  return()
endif()
add_custom_command(
  OUTPUT ${docs}/qbench.1 ${docs}/qbench.bash ${docs}/_qbench
  COMMAND ${CMAKE_COMMAND} -E make_directory ${docs}
  COMMAND qbench help --man > ${docs}/qbench.1
  COMMAND qbench completion bash > ${docs}/qbench.bash
  COMMAND qbench completion zsh > ${docs}/_qbench
  DEPENDS qbench VERBATIM)
add_custom_target(docs ALL DEPENDS ${docs}/qbench.1 ${docs}/qbench.bash ${docs}/_qbench)

install(FILES ${docs}/qbench.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${docs}/qbench.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME qbench)
install(FILES ${docs}/_qbench DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
