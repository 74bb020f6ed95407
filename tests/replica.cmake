touyan_test(replica_turn SOURCES unit/replica_turn.c LIBS touyan_replica)
touyan_test(replica_open SOURCES unit/replica_open.c LIBS touyan_replica PkgConfig::SQLITE)
touyan_test(test_jrows SOURCES unit/test_jrows.c LIBS touyan_replica PkgConfig::SQLITE)
