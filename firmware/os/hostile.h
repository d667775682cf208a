/* What the hostile build of the operating system wants to know, and where it keeps what it got. */
#ifndef HAKONE_HOSTILE_H
#define HAKONE_HOSTILE_H

#include <stdint.h>

/* Ways to a protected process's secrets. */
enum door {
    DOOR_PHYSICAL = 1,   /* loads from the frames that the process uses */
    DOOR_OWN_SEGMENT,    /* the same frames through a segment of our own */
    DOOR_SAME_ADDRESS,   /* the same frames at the virtual address that the process has them at */
    DOOR_REGISTERS,      /* ctxget of every register */
    DOOR_GENERATION,     /* ctxget of the generation, which anyone may know */
    DOOR_TRAP_CONTEXT,   /* to have the process's own bank take the traps; result: what hxtctx reads then */
    DOOR_SET_COUNTER,    /* ctxput of its program counter */
    DOOR_SET_REGISTER,   /* ctxput of a register */
    DOOR_SETIK,          /* a region of our own over the frames, from plain memory */
    DOOR_CLRK,           /* release of its region */
    DOOR_CLRK_CONTEXT,   /* release of all that the living context has */
    DOOR_STUB_BEFORE,    /* plain code in its context, before it begins: loads from its code */
    DOOR_NEW_LIFE,       /* ctxnew of its number, while its entries are there */
    DOOR_OLD_REGISTERS,  /* registers of the number's next life */
    DOOR_STUB_AFTER,     /* plain code in that next life, at the addresses the process had */
};

/* Bits of a process's `given` by which a plan asks for more than looking. */
#define HOSTILE_MOVES 0x80000000u  /* put other frames behind its private memory when it first notes something */
#define HOSTILE_CHEATS 0x40000000u /* put other frames than the sharers' behind its areas */

/* What a door gave. result: 0, or cause << 8 | rule when it was refused. */
struct attempt {
    uint32_t door;
    uint32_t context; /* whose secrets */
    uint32_t moment;  /* the number that the process noted; 0 before it began, 0xFFFFFFFF after its end */
    uint32_t result;
    uint32_t source;  /* physical address of what was wanted, or a number */
    uint32_t loot;    /* physical address of what was got */
    uint32_t bytes;   /* how much of it */
};

enum { ATTEMPTS = 512, LOOT_BYTES = 8192 };

extern struct attempt attempts[ATTEMPTS];
extern uint32_t attempt_count;

#endif
