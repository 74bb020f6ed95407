foreach(part values text time json file)
    touyan_test(base_${part} SOURCES unit/base_${part}.c LIBS touyan_base)
endforeach()
