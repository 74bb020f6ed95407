touyan_test(test_x509 SOURCES unit/test_x509.c LIBS touyan_x509 PkgConfig::OPENSSL)
touyan_test(test_marks SOURCES unit/test_marks.c LIBS touyan_replica PkgConfig::SQLITE)
target_compile_definitions(test_marks PRIVATE TOUYAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
touyan_test(test_sync_engine SOURCES unit/test_sync_engine.c LIBS touyan_sync)
touyan_test(test_sync_pace SOURCES unit/test_sync_pace.c LIBS touyan_sync)
touyan_test(test_sync_page SOURCES unit/test_sync_page.c LIBS touyan_sync)
touyan_test(test_sync_life SOURCES unit/test_sync_life.c unit/wire_fixture.c LIBS touyan_sync)
touyan_test(test_sync_course SOURCES unit/test_sync_course.c unit/round_fixture.c LIBS touyan_sync)
touyan_test(test_sync_wire SOURCES unit/test_sync_wire.c unit/wire_fixture.c LIBS touyan_sync)
touyan_test(test_sync_flight SOURCES unit/test_sync_flight.c unit/wire_fixture.c LIBS touyan_sync)
touyan_test(test_sync_pull SOURCES unit/test_sync_pull.c unit/wire_fixture.c LIBS touyan_sync)
touyan_test(test_sync_upgrade SOURCES unit/test_sync_upgrade.c unit/wire_fixture.c LIBS touyan_sync)
touyan_test(test_sync_transport SOURCES unit/test_sync_transport.c LIBS touyan_sync)
touyan_test(test_sync_round SOURCES unit/test_sync_round.c unit/round_fixture.c LIBS touyan_sync)

# A real touyan-county over TLS, with certificates made on the spot.
touyan_test(test_sync_county SOURCES e2e/test_sync_county.c LIBS touyan_sync LABEL e2e TIMEOUT 180)
add_dependencies(test_sync_county touyan-county)
target_compile_definitions(test_sync_county PRIVATE COUNTY="$<TARGET_FILE:touyan-county>"
                                                    COUNTY_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data/county")
touyan_test(test_sync_identity SOURCES unit/test_sync_identity.c lib/folder.c LIBS touyan_sync)

# Enrolment between the real programs.
touyan_recorded(enrol 100 "python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/e2e/enrol.py ${tapped}/bin")
set_tests_properties(enrol PROPERTIES LABELS e2e TIMEOUT 300)

# Disks that go back in time, or double.
touyan_recorded(restores 100 "python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/e2e/restores.py ${tapped}/bin")
set_tests_properties(restores PROPERTIES LABELS e2e TIMEOUT 240)
touyan_fuzz(wire touyan_sync MUTATIONS 3000)

# Programs of the schema one step before: one column less in a table `down` and in one `both`, and
# a table less. Their list of tables takes the place of the library's.
file(READ ${CMAKE_SOURCE_DIR}/sync/replica/tables.c tables)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${CMAKE_SOURCE_DIR}/sync/replica/tables.c)
foreach(newer ", TEXT_\\(\"name\"\\)(}},\n    {10,)" ",\n +{\"common_id\", COLUMN_TEXT, 1, false}()"
        "()    {21,\n     \"visit\",\n(     [^\n]*\n)*")
    string(REGEX REPLACE "${newer}" "\\1" shorter "${tables}")
    if(shorter STREQUAL tables)
        message(FATAL_ERROR "tables.c has no ${newer}")
    endif()
    set(tables "${shorter}")
endforeach()
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/generated/tables_older.c CONTENT "${tables}")
set(older ${CMAKE_BINARY_DIR}/older/bin)
file(MAKE_DIRECTORY ${older})
file(CREATE_LINK ${CMAKE_BINARY_DIR}/bin/touyan ${older}/touyan SYMBOLIC)
foreach(program gateway county)
    get_target_property(libraries touyan-${program} LINK_LIBRARIES)
    add_executable(older_${program} $<TARGET_OBJECTS:touyan-${program}>
                   ${CMAKE_BINARY_DIR}/generated/tables_older.c)
    target_link_libraries(older_${program} PRIVATE ${libraries})
    set_target_properties(older_${program} PROPERTIES OUTPUT_NAME touyan-${program}
                          RUNTIME_OUTPUT_DIRECTORY ${older})
endforeach()
target_link_libraries(older_gateway PRIVATE touyan_tapped)
touyan_recorded(upgrade 50 "python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/e2e/upgrade.py ${tapped}/bin ${older}")
set_tests_properties(upgrade PROPERTIES LABELS e2e TIMEOUT 240)
