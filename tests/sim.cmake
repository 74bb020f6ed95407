# Simulations in virtual time.
add_executable(sim_sync sim/sync.c sim/sync/loop.c sim/sync/net.c sim/sync/files.c
               sim/sync/sim_station.c sim/sync/sim_county.c sim/sync/history.c sim/sync/check.c
               sim/sync/story.c)
target_link_libraries(sim_sync PRIVATE touyan_sync touyan_county_core touyan_exchanges
                      PkgConfig::SQLITE Threads::Threads)
# The functions that would read the machine's own clock and serial numbers.
target_link_options(sim_sync PRIVATE LINKER:--wrap=clock_mono_us LINKER:--wrap=machine_read
                    LINKER:--wrap=pace_note LINKER:--wrap=clock_thread_us)
set_target_properties(sim_sync PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
# A few seeds with sanitizers; `./run test` simulates more without. 16367: every fault but an older
# copy put back at the county.
add_test(NAME sim_sync COMMAND sim_sync --seeds 16 --first 2001 --faults 16367)
set_tests_properties(sim_sync PROPERTIES LABELS sim TIMEOUT 600 PROCESSORS 2)
# Real processes over a fault proxy and over a bad line, killed at random; `./run sim sync_real
# --kills N` for more, `--line dying` for a line that lives 20 s of each two minutes.
touyan_recorded(sync_real 100 "python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/sim/sync_real.py --build \
${CMAKE_BINARY_DIR} --kills 12")
touyan_recorded(sync_real_badline 40 "python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/sim/sync_real.py --build \
${CMAKE_BINARY_DIR} --kills 4 --line bad")
set_tests_properties(sync_real sync_real_badline PROPERTIES LABELS sim TIMEOUT 180)

# A term of school: people, messages, the roster.
add_executable(sim_term sim/term.c sim/term/county.c sim/term/station.c sim/term/people.c
               sim/term/check.c sim/term/alarms.c)
target_link_libraries(sim_term PRIVATE touyan_draft touyan_duty touyan_sms touyan_console
                      touyan_replica touyan_base)
target_link_options(sim_term PRIVATE LINKER:--wrap=clock_mono_us)
set_target_properties(sim_term PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
# A short one with sanitizers; `./run sim term --seeds N` simulates terms of full size.
add_test(NAME sim_term COMMAND sim_term --weeks 1 --stations 2 --schools 6 --posts 40
         --officers 70 --volunteers 350)
set_tests_properties(sim_term PROPERTIES LABELS sim TIMEOUT 300)
