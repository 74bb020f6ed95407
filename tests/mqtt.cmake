touyan_test(test_mqtt_parts SOURCES unit/test_mqtt_parts.c LIBS touyan_mqtt)
touyan_test(test_mqtt_products SOURCES unit/test_mqtt_products.c LIBS touyan_mapping)
target_compile_definitions(test_mqtt_products
                           PRIVATE MQTT_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data/mqtt")
touyan_test(test_mqtt_rules SOURCES unit/test_mqtt_rules.c lib/folder.c LIBS touyan_mapping)

# Messages by hand; its client stands before the real one.
add_library(test_mqtt_world STATIC lib/mqttworld.c)
target_link_libraries(test_mqtt_world PUBLIC touyan_mqtt PkgConfig::CMOCKA)
touyan_test(test_mqtt_commands SOURCES unit/test_mqtt_commands.c LIBS test_mqtt_world)
touyan_test(test_mqtt_gaps SOURCES unit/test_mqtt_gaps.c LIBS test_mqtt_world)
touyan_test(test_mqtt_repairs SOURCES unit/test_mqtt_repairs.c LIBS test_mqtt_world)
touyan_test(test_mqtt_flow SOURCES unit/test_mqtt_flow.c LIBS test_mqtt_world)
touyan_fuzz(mapping touyan_mapping)
touyan_fuzz(topic touyan_mapping)
touyan_test(test_mqtt_ingest SOURCES unit/test_mqtt_ingest.c LIBS test_mqtt_world)
target_compile_definitions(test_mqtt_ingest
                           PRIVATE MQTT_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data/mqtt")

# A real mosquitto, started by the tests on a Unix socket and a free port.
add_library(test_broker STATIC lib/broker.c lib/mini_station.c)
target_link_libraries(test_broker PUBLIC touyan_mqtt PkgConfig::MOSQUITTO)
touyan_test(test_mqtt_broker SOURCES e2e/test_mqtt_broker.c LIBS test_broker LABEL e2e TIMEOUT 180)
touyan_test(test_mqtt_gates SOURCES e2e/test_mqtt_gates.c LIBS test_broker LABEL e2e TIMEOUT 300)
target_compile_definitions(test_mqtt_gates PRIVATE MQTT_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data/mqtt")

# The programs that bench mqtt_ingest starts.
foreach(part publish bare station)
    add_executable(bench_mqtt_${part} bench/mqtt/${part}.c)
    target_link_libraries(bench_mqtt_${part} PRIVATE test_broker PkgConfig::SQLITE)
    set_target_properties(bench_mqtt_${part} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endforeach()

foreach(name mapping devices)
    add_executable(bench_${name} bench/${name}.c)
    target_link_libraries(bench_${name} PRIVATE touyan_mqtt)
    set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endforeach()
