touyan_test(test_texts SOURCES unit/texts.c LIBS touyan_words)
