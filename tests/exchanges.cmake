# openapi.yaml holds for what the tests say and hear. Debian's python3: it has the modules.
function(touyan_exchanges name least timeout)
    add_test(NAME ${name} COMMAND /usr/bin/python3 -B
             ${CMAKE_CURRENT_SOURCE_DIR}/scripts/validate_exchanges.py
             ${CMAKE_SOURCE_DIR}/sync/openapi.yaml ${least} ${ARGN})
    set_tests_properties(${name} PROPERTIES LABELS exchanges TIMEOUT ${timeout})
endfunction()

touyan_exchanges(exchanges_county 50 120 $<TARGET_FILE:test_county_merge>
                 $<TARGET_FILE:test_county_life> $<TARGET_FILE:test_county_repair>
                 $<TARGET_FILE:test_county_enrol>)
touyan_exchanges(exchanges_station 50 120 $<TARGET_FILE:test_sync_round>
                 $<TARGET_FILE:test_sync_course>)
touyan_exchanges(exchanges_sim 500 120 "$<TARGET_FILE:sim_sync> --seeds 3 --first 1")
touyan_exchanges(exchanges_e2e 100 300 $<TARGET_FILE:test_sync_county>
                 $<TARGET_FILE:test_county_server>)
set_tests_properties(exchanges_e2e PROPERTIES ENVIRONMENT
    "TOUYAN_COUNTY=$<TARGET_FILE:touyan-county>;TOUYAN_TEST_DATA=${CMAKE_CURRENT_SOURCE_DIR}/data")
