"""Accesses on a register bus from a bench, in the sizes that a core makes."""

ERROR = "error"


async def access(ctx, bus, addr, size=4, value=None, cycles_max=200):
    """One access of ``size`` bytes at byte address ``addr``: the value read (or None for a write), or ``ERROR``.

    The data lanes, the word address and the strobes are made as the load/store unit makes them. The bus is checked on
    the way: an answer must come within ``cycles_max``.
    """
    lane = addr % 4
    ctx.set(bus.addr, addr - lane)
    ctx.set(bus.strobe, ((1 << size) - 1) << lane)
    ctx.set(bus.write, value is not None)
    lanes = sum(1 << n for n in range(0, 32, 8 * size))  # a narrow store stands in every lane
    ctx.set(bus.wdata, (value or 0) * lanes & 0xFFFF_FFFF)
    ctx.set(bus.valid, 1)
    for _ in range(cycles_max):
        _, _, ready, rdata, error = await ctx.tick().sample(bus.ready, bus.rdata, bus.error)
        if ready:
            break
    else:
        raise AssertionError(f"no answer at {addr:#x} after {cycles_max} cycles")
    ctx.set(bus.valid, 0)
    if error:
        return ERROR
    return None if value is not None else rdata >> 8 * lane & (1 << 8 * size) - 1


async def read(ctx, bus, addr, size=4):
    """Value at ``addr``, or ``ERROR``."""
    return await access(ctx, bus, addr, size)


async def write(ctx, bus, addr, value, size=4):
    """None, or ``ERROR``."""
    return await access(ctx, bus, addr, size, value)


async def gap(ctx, source, most=3):
    """A random number of idle cycles, often none."""
    for _ in range(source.randrange(most + 1)):
        await ctx.tick()
