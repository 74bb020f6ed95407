/* Folders that a test made. */
#ifndef TOUYAN_TESTS_FOLDER_H
#define TOUYAN_TESTS_FOLDER_H

/* Removes it with all that is in it. 0, or -1 with errno. */
int folder_remove(const char *path);

#endif
