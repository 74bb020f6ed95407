touyan_test(test_mqtt_parts SOURCES unit/test_mqtt_parts.c LIBS touyan_mqtt)
touyan_test(test_mqtt_ingest SOURCES unit/test_mqtt_ingest.c LIBS touyan_mqtt)
target_compile_definitions(test_mqtt_ingest
                           PRIVATE MQTT_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data/mqtt")
