/* Marks a function of the library that a program may have one of its own in place of. */
#ifndef HAKONE_REPLACEABLE_H
#define HAKONE_REPLACEABLE_H

#define REPLACEABLE __attribute__((weak))

#endif
