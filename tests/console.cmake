touyan_test(test_console_api SOURCES unit/console_api.c LIBS touyan_console)
