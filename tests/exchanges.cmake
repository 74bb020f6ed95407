# openapi.yaml holds for what the tests say and hear. The plays of whole programs are recorded, too.
function(touyan_exchanges name least timeout)
    touyan_recorded(${name} ${least} ${ARGN})
    set_tests_properties(${name} PROPERTIES LABELS exchanges TIMEOUT ${timeout})
endfunction()

touyan_exchanges(exchanges_county 50 120 $<TARGET_FILE:test_county_merge>
                 $<TARGET_FILE:test_county_life> $<TARGET_FILE:test_county_give>
                 $<TARGET_FILE:test_county_repair>
                 $<TARGET_FILE:test_county_enrol>)
touyan_exchanges(exchanges_station 50 120 $<TARGET_FILE:test_sync_round>
                 $<TARGET_FILE:test_sync_course>)
touyan_exchanges(exchanges_sim 500 120 "$<TARGET_FILE:sim_sync> --seeds 3 --first 1")
touyan_exchanges(exchanges_e2e 100 300 $<TARGET_FILE:test_sync_county>
                 $<TARGET_FILE:test_county_server>)
set_tests_properties(exchanges_e2e PROPERTIES ENVIRONMENT
    "TOUYAN_COUNTY=$<TARGET_FILE:touyan-county>;TOUYAN_TEST_DATA=${CMAKE_CURRENT_SOURCE_DIR}/data")
