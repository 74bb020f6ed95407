add_library(touyan_smsworld STATIC ${CMAKE_CURRENT_SOURCE_DIR}/lib/smsworld.c)
target_link_libraries(touyan_smsworld PUBLIC touyan_sms)
touyan_test(sms_policy SOURCES unit/sms_policy.c LIBS touyan_sms)
touyan_test(sms_outbox SOURCES unit/sms_outbox.c LIBS touyan_smsworld)
touyan_test(sms_pace SOURCES unit/sms_pace.c LIBS touyan_smsworld)
touyan_test(sms_inbox SOURCES unit/sms_inbox.c LIBS touyan_smsworld)
touyan_test(sms_worker SOURCES unit/sms_worker.c LIBS touyan_sms touyan_modemline)

# The real worker, by default with libgammu, against the simulated modem.
add_library(touyan_smsstation STATIC ${CMAKE_CURRENT_SOURCE_DIR}/lib/smsstation.c)
target_link_libraries(touyan_smsstation PUBLIC touyan_sms)
target_compile_definitions(touyan_smsstation PRIVATE TOUYAN_BIN="${CMAKE_BINARY_DIR}/bin")
add_dependencies(touyan_smsstation touyan-modem touyan-simmodem)
touyan_test(sms_modem SOURCES e2e/sms_modem.c LIBS touyan_smsstation LABEL e2e TIMEOUT 300)
touyan_test(sms_faults SOURCES e2e/sms_faults.c LIBS touyan_smsstation LABEL e2e TIMEOUT 300)
touyan_test(sms_care SOURCES e2e/sms_care.c LIBS touyan_smsstation LABEL e2e TIMEOUT 300)
touyan_test(sms_calls SOURCES e2e/sms_calls.c LIBS touyan_smsstation LABEL e2e TIMEOUT 300)
# The same tests with the other driver, each with two of the makes that it knows.
function(touyan_with_at suite make)
    add_test(NAME ${suite}_${make} COMMAND ${suite})
    set_tests_properties(${suite}_${make} PROPERTIES LABELS "e2e;${ARGN}" TIMEOUT 300 ENVIRONMENT
                         "TOUYAN_TEST_DRIVER=at;TOUYAN_TEST_PROFILE=${make}")
endfunction()
touyan_with_at(sms_modem quectel tsan)
touyan_with_at(sms_modem huawei)
touyan_with_at(sms_faults quectel)
touyan_with_at(sms_faults huawei)
touyan_with_at(sms_care simcom)
touyan_with_at(sms_care huawei)
touyan_with_at(sms_calls quectel)
touyan_with_at(sms_calls huawei)

touyan_fuzz(atline touyan_modemline)
touyan_fuzz(frame touyan_sms)

# A day in fast time, a part of its messages; `./run sim sms_day` plays all of it.
add_executable(sms_day sim/sms_day.c)
target_link_libraries(sms_day PRIVATE touyan_smsstation)
set_target_properties(sms_day PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME sms_day COMMAND sms_day --share 10)
add_test(NAME sms_day_huawei COMMAND sms_day --share 15 --driver at --make huawei --seed 3)
set_tests_properties(sms_day sms_day_huawei PROPERTIES LABELS sim TIMEOUT 240)

# The programs of bench/sms_queue.py: a station that only sends and receives, and libgammu alone.
add_executable(bench_sms_station bench/sms/station.c)
target_link_libraries(bench_sms_station PRIVATE touyan_sms)
add_dependencies(bench_sms_station touyan-modem touyan-simmodem)
add_executable(bench_sms_bare bench/sms/bare.c)
target_link_libraries(bench_sms_bare PRIVATE touyan_base PkgConfig::GAMMU)
set_target_properties(bench_sms_station bench_sms_bare PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                      ${CMAKE_BINARY_DIR}/bench)
