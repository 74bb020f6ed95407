# The bridge to radios.
foreach(name parts bridge)
    touyan_test(radio_${name} SOURCES unit/radio_${name}.c LIBS touyan_radio touyan_words test_mqtt_world TIMEOUT 120)
    target_compile_definitions(radio_${name} PRIVATE RADIO_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data/radio")
endforeach()
touyan_fuzz(meshtastic touyan_radio touyan_mapping)

# Both ways through Meshtastic's own package; passed over without npm.
add_executable(radio_codec e2e/meshtastic/radio_codec.c)
target_link_libraries(radio_codec PRIVATE touyan_radio)
set_target_properties(radio_codec PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME radio_peer COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/e2e/radio_peer.py --build ${CMAKE_BINARY_DIR})
set_tests_properties(radio_peer PROPERTIES LABELS e2e TIMEOUT 600 SKIP_RETURN_CODE 77)
