# Whole stations: real gateway, broker, county and modem worker. ./run demo tells the story aloud.
function(touyan_play name program least timeout)
    list(JOIN ARGN " " more)
    touyan_recorded(${name} ${least}
                    "python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/${program} --build ${tapped} ${more}")
    set_tests_properties(${name} PROPERTIES LABELS e2e TIMEOUT ${timeout} RUN_SERIAL ON)
endfunction()

touyan_play(demo e2e/demo.py 50 300)
touyan_play(kill_anywhere sim/kill_anywhere.py 50 300 --seeds 20)
touyan_play(kill_anywhere_at sim/kill_anywhere.py 50 300 --seeds 10 --make quectel)
touyan_play(sms_desk e2e/sms_desk.py 5 240)
touyan_play(sms_desk_at e2e/sms_desk.py 5 240 --make quectel)
touyan_play(manners e2e/manners.py 5 120)
touyan_play(roster e2e/roster.py 10 120)
touyan_play(ledger e2e/ledger.py 10 120)
touyan_play(gates e2e/gates.py 5 240)
touyan_play(cards e2e/cards.py 10 180)
touyan_play(outage e2e/outage.py 20 240)
touyan_play(radio e2e/radio.py 5 240)

# no county: nothing is recorded
add_test(NAME clock_1970 COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/e2e/clock_1970.py --build
         ${CMAKE_BINARY_DIR})
set_tests_properties(clock_1970 PROPERTIES LABELS e2e TIMEOUT 60 RUN_SERIAL ON)
add_test(NAME lists COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/e2e/lists.py --build
         ${CMAKE_BINARY_DIR})
set_tests_properties(lists PROPERTIES LABELS e2e TIMEOUT 180 RUN_SERIAL ON)
