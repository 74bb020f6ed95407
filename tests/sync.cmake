touyan_test(test_marks SOURCES unit/test_marks.c LIBS touyan_replica PkgConfig::SQLITE)
target_compile_definitions(test_marks PRIVATE TOUYAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
touyan_test(test_sync_engine SOURCES unit/test_sync_engine.c LIBS touyan_sync)
touyan_test(test_sync_page SOURCES unit/test_sync_page.c LIBS touyan_sync)
