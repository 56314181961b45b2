/* Files and folders that only this user may have written: for what will be run later. */
#ifndef RLX_FILE_H
#define RLX_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Folders ---- */

typedef enum rlx_folder_state {
    RLX_FOLDER_PRIVATE, /* this user's, and nobody else can write to it */
    RLX_FOLDER_FOREIGN, /* somebody else's */
    RLX_FOLDER_OPEN,    /* this user's, but others can write to it */
    RLX_FOLDER_MISSING, /* there is none, or it is no folder, or it cannot be looked at: errno says more */
} rlx_folder_state;

/* Makes a folder and the parents that are missing, for this user alone (0700). True if it is there in the end, whoever
 * made it; otherwise errno tells why not. */
bool rlx_folder_create(const char *path);
rlx_folder_state rlx_folder_check(const char *path);
/* A fresh private folder PARENT/PREFIXxxxxxx. */
bool rlx_folder_temporary(const char *parent, const char *prefix, char *path, size_t size);
/* Removes a folder and the files in it; folders in it stay, and then it does too. */
void rlx_folder_remove(const char *path);
/* Removes the folders in `path` whose name begins so and that nobody has changed for `age_s` seconds. */
void rlx_folder_sweep(const char *path, const char *prefix, uint64_t age_s);
/* Calls `visit` for each name in a folder, until it returns false. Nothing if there is no such folder. */
void rlx_folder_each(const char *path, bool (*visit)(void *user, const char *name), void *user);

/* ---- Files ---- */

typedef struct rlx_file {
    int descriptor;
    bool ours; /* this user's, and nobody else can write to it */
    uint64_t size, modified_ns;
} rlx_file;

bool rlx_file_open(const char *path, rlx_file *file);              /* a regular file, to read it */
bool rlx_file_read(const rlx_file *file, void *data, size_t size); /* all of it from the start, or nothing */
void rlx_file_close(rlx_file *file);

bool rlx_file_look(const char *path, uint64_t *size, uint64_t *modified_ns);
/* Makes a file that must not be there yet, for this user alone. Leaves nothing behind if it fails. */
bool rlx_file_create(const char *path, const void *data, size_t size);
/* Gives a whole file its name, in one step: whoever looks sees the file that was there before, or this one. */
bool rlx_file_publish(const char *from, const char *to);
void rlx_file_remove(const char *path);

/* ---- A file that grows, and is whole at every moment ---- */

typedef enum rlx_growing_state {
    RLX_GROWING_OPENED,
    RLX_GROWING_FAILED,  /* errno tells why */
    RLX_GROWING_SPECIAL, /* a folder, a pipe, a device */
    RLX_GROWING_TAKEN,   /* another process is at it */
} rlx_growing_state;

typedef struct rlx_growing_file {
    int descriptor;
    uint64_t size; /* up to its end, that is: what the next piece replaces */
} rlx_growing_file;

/* Makes the file, or empties the one that is there, and keeps other processes from doing so until it is closed. */
rlx_growing_state rlx_growing_open(const char *path, rlx_growing_file *file);
/* Writes a piece, of which the last `end` bytes close the file for now: the next piece is written over them. If that
 * fails the file ends as before, and errno tells why. */
bool rlx_growing_write(rlx_growing_file *file, const void *piece, size_t size, size_t end);
bool rlx_growing_close(rlx_growing_file *file);

/* The folder for what is needed for a moment: $TMPDIR, or the system's. *Borrowed* from the environment. */
const char *rlx_temporary_folder(void);

#endif
