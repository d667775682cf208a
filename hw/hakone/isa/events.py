"""Events that the simulation counts: bit numbers of the probe's ``events`` vector. A stall is one event per cycle."""

from amaranth.lib import enum


class Event(enum.IntEnum, shape=5):
    """Bit numbers. Each is driven by the component named after the dash."""

    ICACHE_MISS = 0  #: one per line asked for - instruction cache
    DCACHE_MISS = 1  #: one per line asked for - load/store unit
    DCACHE_EVICT = 2  #: one per dirty line written back - load/store unit
    UNCACHED = 3  #: one per device access - load/store unit
    MISALIGNED = 4  #: one per access done in two parts - load/store unit
    MEMORY_STALL = 5  #: cycle in which the memory stage waits - core
    FETCH_STALL = 6  #: cycle in which the register-read stage has no instruction - core
    LOAD_USE_STALL = 7  #: cycle in which an operand of a load, multiply or divide is waited for - core
    DIVIDE_STALL = 8  #: cycle in which a division is waited for - core
    TRANSFER = 9  #: branch or jump left the memory stage - core
    MISPREDICT = 10  #: it had been predicted wrongly - core
    FLUSH = 11  #: younger instructions were dropped for a CSR write, fence.i or a mode change - core
    TRAP = 12  #: exception taken - core
    INTERRUPT = 13  #: interrupt taken - core
    CONTEXT_SWITCH = 14  #: ctxrun or trap into another context - core
    MODE_SWITCH = 15  #: cryptomode, retmode or a crossing of automatic mode - core
    LINE_DECRYPT = 16  #: one per line - line cipher
    LINE_ENCRYPT = 17  #: one per line - line cipher
    REGION_FAULT = 18  #: trap with cause REGION or MODE - core
    WFI_WAIT = 19  #: cycle spent in wfi while an enabled interrupt (mie not zero) could end it - core
