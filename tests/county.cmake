touyan_test(test_zip SOURCES unit/test_zip.c LIBS touyan_zip)
touyan_test(test_county_merge SOURCES unit/test_county_merge.c unit/county_fixture.c
            LIBS touyan_county_core PkgConfig::SQLITE)
touyan_test(test_county_import SOURCES unit/test_county_import.c unit/county_fixture.c
            LIBS touyan_county_core PkgConfig::SQLITE)
