# The checks of form that are fast enough to be tests; ./run lint has cppcheck and clang-tidy besides.
foreach(check includes banned length complexity paths refusals)
    add_test(NAME check_${check} COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/scripts/check_${check}.py
                                         ${CMAKE_SOURCE_DIR})
    set_tests_properties(check_${check} PROPERTIES LABELS lint TIMEOUT 60)
endforeach()
add_test(NAME check_selftest COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/scripts/check_selftest.py)
set_tests_properties(check_selftest PROPERTIES LABELS lint TIMEOUT 120)
add_test(NAME check_units COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/scripts/check_units.sh ${CMAKE_SOURCE_DIR})
set_tests_properties(check_units PROPERTIES LABELS lint TIMEOUT 60 SKIP_RETURN_CODE 77)
