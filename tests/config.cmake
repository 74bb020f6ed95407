touyan_test(config_load SOURCES unit/config_load.c LIBS touyan_config)
touyan_test(config_broken SOURCES unit/config_broken.c LIBS touyan_config)

# The files of config/dist that are written from the option table (build target config_dist).
foreach(kind sample man)
    if(kind STREQUAL sample)
        set(file touyan.conf)
    else()
        set(file touyan.conf.5)
    endif()
    add_test(NAME config_dist_${kind}
             COMMAND sh -c "$<TARGET_FILE:config-dist> ${kind} | cmp - ${CMAKE_SOURCE_DIR}/config/dist/${file}")
    set_tests_properties(config_dist_${kind} PROPERTIES LABELS unit TIMEOUT 20)
endforeach()
