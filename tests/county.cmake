touyan_test(test_zip SOURCES unit/test_zip.c LIBS touyan_zip)
