touyan_test(test_tpdu SOURCES unit/test_tpdu.c LIBS touyan_smswire)
touyan_test(test_segment SOURCES unit/test_segment.c LIBS touyan_smswire)
touyan_test(test_reassemble SOURCES unit/test_reassemble.c LIBS touyan_smswire)
touyan_fuzz(tpdu touyan_smswire)
