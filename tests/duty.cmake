touyan_test(test_texts SOURCES unit/texts.c LIBS touyan_words)
touyan_test(test_recognise SOURCES unit/recognise.c LIBS touyan_words)
target_compile_definitions(test_recognise PRIVATE TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
