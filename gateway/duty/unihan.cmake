# cmake -DDATA=/usr/share/unicode -DAWK=... -DSCRIPT=unihan.awk -DOUT=unihan.inc -P unihan.cmake
# Unpacks the two Unihan files (Debian ships them as .bz2) beside the result and runs the script.
get_filename_component(folder ${OUT} DIRECTORY)
file(MAKE_DIRECTORY ${folder})
foreach(name Variants Readings)
    set(plain ${folder}/Unihan_${name}.txt)
    if(EXISTS ${DATA}/Unihan_${name}.txt)
        file(COPY ${DATA}/Unihan_${name}.txt DESTINATION ${folder})
    else()
        execute_process(COMMAND bzip2 -dc ${DATA}/Unihan_${name}.txt.bz2
                        OUTPUT_FILE ${plain} RESULT_VARIABLE bad)
        if(bad)
            message(FATAL_ERROR "cannot unpack ${DATA}/Unihan_${name}.txt.bz2 (Debian: unicode-data, bzip2)")
        endif()
    endif()
endforeach()
execute_process(COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C ${AWK} -f ${SCRIPT} ${DATA}/UnicodeData.txt
                        ${folder}/Unihan_Variants.txt ${folder}/Unihan_Readings.txt
                OUTPUT_FILE ${OUT} RESULT_VARIABLE bad)
if(bad)
    file(REMOVE ${OUT})
    message(FATAL_ERROR "${SCRIPT} failed")
endif()
