touyan_test(test_zip SOURCES unit/test_zip.c LIBS touyan_zip)
touyan_test(test_county_slice SOURCES unit/test_county_slice.c LIBS touyan_county_core)
touyan_test(test_county_merge SOURCES unit/test_county_merge.c unit/county_fixture.c lib/folder.c
            LIBS touyan_county_core PkgConfig::SQLITE PkgConfig::PQ)
touyan_test(test_county_life SOURCES unit/test_county_life.c unit/county_fixture.c lib/folder.c
            LIBS touyan_county_core PkgConfig::SQLITE PkgConfig::PQ)
touyan_test(test_county_give SOURCES unit/test_county_give.c unit/county_fixture.c lib/folder.c
            LIBS touyan_county_core PkgConfig::SQLITE PkgConfig::PQ)
touyan_test(test_county_repair SOURCES unit/test_county_repair.c unit/county_fixture.c
            lib/folder.c LIBS touyan_county_core PkgConfig::SQLITE PkgConfig::PQ)
touyan_test(test_county_meter SOURCES unit/test_county_meter.c LIBS touyan_county_core)
touyan_test(test_county_import SOURCES unit/test_county_import.c unit/county_fixture.c lib/folder.c
            LIBS touyan_county_core PkgConfig::SQLITE PkgConfig::PQ)
touyan_test(test_county_enrol SOURCES unit/test_county_enrol.c unit/county_fixture.c lib/folder.c
            LIBS touyan_county_core PkgConfig::SQLITE PkgConfig::PQ PkgConfig::OPENSSL)
touyan_fuzz(county touyan_county_core MUTATIONS 5000)
touyan_test(test_county_server SOURCES e2e/test_county_server.c lib/folder.c LABEL e2e TIMEOUT 180
            LIBS touyan_zip touyan_replica touyan_base PkgConfig::CURL)
add_dependencies(test_county_server touyan-county)
set_tests_properties(test_county_server PROPERTIES ENVIRONMENT
    "TOUYAN_COUNTY=$<TARGET_FILE:touyan-county>;TOUYAN_TEST_DATA=${CMAKE_CURRENT_SOURCE_DIR}/data")

# the many stations of bench/county.py, and what the one of bench/sync.py changes
add_executable(bench_stations bench/load/stations.c)
target_link_libraries(bench_stations PRIVATE touyan_zip touyan_base PkgConfig::CURL)
add_executable(bench_change bench/load/change.c)
target_link_libraries(bench_change PRIVATE touyan_replica touyan_base)

# The same rules over PostgreSQL, each test in a database of its own, and what only it can do wrong.
add_executable(test_county_locks unit/test_county_locks.c unit/county_fixture.c lib/folder.c)
target_link_libraries(test_county_locks PRIVATE touyan_county_core touyan_exchanges PkgConfig::SQLITE
                      PkgConfig::PQ PkgConfig::CMOCKA)
target_compile_options(test_county_locks PRIVATE -Wno-missing-prototypes)
set_target_properties(test_county_locks PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME county_postgresql COMMAND python3 -B
    ${CMAKE_CURRENT_SOURCE_DIR}/scripts/with_postgres.py $<TARGET_FILE:test_county_merge> --
    $<TARGET_FILE:test_county_life> -- $<TARGET_FILE:test_county_give> --
    $<TARGET_FILE:test_county_repair> --
    $<TARGET_FILE:test_county_import> -- $<TARGET_FILE:test_county_enrol> --
    $<TARGET_FILE:test_county_locks>)
set_tests_properties(county_postgresql PROPERTIES LABELS e2e TIMEOUT 300)

foreach(play two failover)
    add_test(NAME county_postgresql_${play} COMMAND python3 -B
        ${CMAKE_CURRENT_SOURCE_DIR}/e2e/county_postgresql.py ${play} --build ${CMAKE_BINARY_DIR})
    set_tests_properties(county_postgresql_${play} PROPERTIES LABELS e2e TIMEOUT 240)
endforeach()

foreach(play synchronous asynchronous "asynchronous --gateways")
    string(REPLACE " --" "_" name ${play})
    separate_arguments(play)
    add_test(NAME county_failover_${name} COMMAND python3 -B
        ${CMAKE_CURRENT_SOURCE_DIR}/e2e/county_failover.py ${play} --build ${CMAKE_BINARY_DIR})
    set_tests_properties(county_failover_${name} PROPERTIES LABELS e2e TIMEOUT 240)
endforeach()
