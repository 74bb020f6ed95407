add_library(test_rosterworld STATIC lib/rosterworld.c)
target_link_libraries(test_rosterworld PUBLIC touyan_roster)
touyan_test(roster_plan SOURCES unit/roster_plan.c LIBS test_rosterworld TIMEOUT 120)
target_compile_definitions(roster_plan PRIVATE TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data")
touyan_test(roster_explain SOURCES unit/roster_explain.c LIBS test_rosterworld touyan_roster_words)

# GLPK (GPL-3) judges the flow in a test; nothing that is installed knows it.
find_path(GLPK_INCLUDE glpk.h)
find_library(GLPK_LIBRARY glpk)
if(GLPK_INCLUDE AND GLPK_LIBRARY)
    touyan_test(roster_flow SOURCES unit/roster_flow.c LIBS touyan_roster ${GLPK_LIBRARY})
    target_include_directories(roster_flow SYSTEM PRIVATE ${GLPK_INCLUDE})
else()
    message(STATUS "no GLPK (libglpk-dev): the flow is not compared with it")
endif()

add_executable(bench_roster bench/roster.c)
target_link_libraries(bench_roster PRIVATE touyan_roster)
set_target_properties(bench_roster PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)

# The plan's JSON, judged by a program that knows nothing of the planner.
add_test(NAME roster_judge COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/e2e/roster_judge.py --bench
         $<TARGET_FILE:bench_roster> --generate 1 ${CMAKE_CURRENT_SOURCE_DIR}/data/roster/county-1.json)
set_tests_properties(roster_judge PROPERTIES LABELS unit TIMEOUT 120)

touyan_test(duty_draft SOURCES unit/duty_draft.c LIBS duty_world touyan_draft)
touyan_test(duty_term SOURCES unit/duty_term.c LIBS duty_world touyan_draft TIMEOUT 180)
touyan_test(duty_sheet SOURCES unit/duty_sheet.c LIBS duty_world touyan_draft)
touyan_test(duty_property SOURCES unit/duty_property.c LIBS duty_world touyan_draft TIMEOUT 300)
