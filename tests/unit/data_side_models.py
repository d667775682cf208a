"""What stands around the data side, as Python models: line cipher with memory, devices, instruction cache.

Reads of the line model take their data when they are accepted and writes act when they are acknowledged: what the unit
must order itself goes wrong at once when it does not.
"""

from data_side_reference import pad, rom_word


class LineModel:
    """The line cipher and memory behind it. ``latency`` in cycles to the first beat; with ``rng`` everything also waits
    at random.

    ``one_write``: the next write is taken when the one before is acknowledged, as the line cipher does.
    It knows what was read to each slot, as the cipher keeps its tweak, and refuses a write whose place was announced
    for another line or domain, or too late.
    """

    def __init__(self, reference, rng=None, latency=4, gaps=0.0, write_latency=6, one_write=False):
        self.one_write = one_write
        self.reference, self.rng, self.latency, self.gaps = reference, rng, latency, gaps
        self.write_latency = write_latency
        self.memory = {}
        self.reads, self.read_log, self.write_log, self.fetch_reads = [], [], [], []
        self.writes, self.acks = [], []
        self.bad_writes = set()
        self.slots, self.places = {}, {}  # (line, domain); None while a slot is filled, when a place is free
        self.refills = {}  # when the read to a slot was taken
        self.announce_log, self.word_log = [], []  # cycles
        self.sent = 0
        self.beat = None

    def line(self, number):
        """Bytes of a line as memory holds them."""
        return self.memory.setdefault(number, bytes((number * 7 + k * 3) & 0xFF for k in range(64)))

    def _wait(self):
        return self.rng is not None and self.rng.random() < self.gaps

    def drive(self, ctx, lines, now):
        """Inputs of the cycle."""
        ctx.set(lines.read.ready, not self._wait())
        ctx.set(lines.write.ready, not (self.one_write and (self.writes or self.acks)) and not self._wait())
        ctx.set(lines.wdata.ready, not self._wait())
        done = bool(self.acks) and self.acks[0][0] <= now
        ctx.set(lines.write_done, done)
        ctx.set(lines.write_error, done and self.acks[0][1] in self.bad_writes)
        if done:
            _, line, domain, place, words = self.acks.pop(0)
            self.places[place] = None
            if line not in self.bad_writes:
                data = b"".join(w.to_bytes(8, "little") for w in words)
                self.memory[line] = bytes(a ^ b for a, b in zip(data, pad(line, domain), strict=True))
        valid = bool(self.reads) and self.reads[0][0] <= now and not self._wait()
        ctx.set(lines.beat_valid, valid)
        if valid:
            _, line, data, bad_beat, slot, domain = self.reads[0]
            beat = int.from_bytes(data[8 * self.sent : 8 * self.sent + 8], "little")
            last = self.sent == 7
            ctx.set(lines.beat, {"data": beat, "last": last, "error": self.sent == bad_beat})
            self.sent = 0 if last else self.sent + 1
            if last:
                self.reads.pop(0)
                if slot is not None:
                    self.slots[slot] = (line, domain) if bad_beat is None else None
                    del self.refills[slot]

    def sample(self, ctx, lines, now):
        """Handshakes of the cycle."""
        if ctx.get(lines.announce_valid):
            self._announce(ctx.get(lines.announce.slot), ctx.get(lines.announce.place), now)
        if ctx.get(lines.read.valid) and ctx.get(lines.read.ready):
            line, domain = ctx.get(lines.read.payload.line), ctx.get(lines.read.payload.domain)
            data = bytes(a ^ b for a, b in zip(self.line(line), pad(line, domain), strict=True))
            bad = line in self.reference.bad_lines
            bad_beat = (self.rng.randrange(8) if self.rng else 3) if bad else None
            extra = self.rng.randrange(self.latency + 1) if self.rng else 0
            slot = ctx.get(lines.read.payload.slot) if ctx.get(lines.read.payload.keep) else None
            if slot is not None:
                self.refills[slot] = now
            self.reads.append((now + self.latency + extra, line, data, bad_beat, slot, domain))
            self.read_log.append((now, line, domain))
        if ctx.get(lines.write.valid) and ctx.get(lines.write.ready):
            line, domain = ctx.get(lines.write.payload.line), ctx.get(lines.write.payload.domain)
            place = ctx.get(lines.write.payload.place)
            assert self.places[place] == (line, domain), f"line {line:#x} of domain {domain}: {self.places[place]}"
            self.writes.append([line, domain, place, []])
            self.write_log.append((now, line, domain))
        if ctx.get(lines.wdata.valid) and ctx.get(lines.wdata.ready):
            assert self.writes, "a word of a line before its request"
            self.word_log.append(now)
            self.writes[0][3].append(ctx.get(lines.wdata.payload))
            if len(self.writes[0][3]) == 8:
                line, domain, place, words = self.writes.pop(0)
                extra = self.rng.randrange(self.write_latency + 1) if self.rng else 0
                self.acks.append((now + self.write_latency + extra, line, domain, place, words))

    def _announce(self, slot, place, now):
        assert not self.announce_log or now >= self.announce_log[-1] + 3, "announcements come too fast"
        assert self.places.get(place) is None, f"place {place} is not free"
        # A row of the cipher can be overwritten as soon as a line is read to its slot.
        assert now <= self.refills.get(slot, now) + 1, f"slot {slot} was announced too late"
        self.places[place] = self.slots.get(slot)
        self.announce_log.append(now)

    def reset(self):
        """Everything that stood in a slot is void."""
        self.slots.clear()
        self.places.clear()


class DeviceModel:
    """Devices and mask ROM behind a register bus; ``log`` has every access that was answered."""

    def __init__(self, reference, rng=None, waits=0.0):
        self.reference, self.rng, self.waits = reference, rng, waits
        self.words, self.log = {}, []

    def cycle(self, ctx, bus):
        """Answer in the cycle; every member of the bus is stable by now."""
        ready = ctx.get(bus.valid) and not (self.rng is not None and self.rng.random() < self.waits)
        ctx.set(bus.ready, ready)
        if not ready:
            return
        addr, strobe = ctx.get(bus.addr), ctx.get(bus.strobe)
        write = bool(ctx.get(bus.write))
        error = addr in self.reference.bad_devices
        data = ctx.get(bus.wdata) if write else None
        self.log.append((addr, write, strobe, data))
        ctx.set(bus.error, error)
        if self.reference.kind(addr) == "rom":
            ctx.set(bus.rdata, rom_word(addr))
        else:
            ctx.set(bus.rdata, self.words.get(addr, 0))
        if write and not error:
            lanes = sum(0xFF << 8 * k for k in range(4) if strobe >> k & 1)
            self.words[addr] = (self.words.get(addr, 0) & ~lanes) | (data & lanes)


class FetchModel:
    """An instruction cache that holds all it was given and asks for random lines, or for those of ``wanted``."""

    def __init__(self, reference, rng=None, rate=0.0, choose=None, patience=0):
        self.reference, self.rng, self.rate, self.choose, self.patience = reference, rng, rate, choose, patience
        self.held, self.request, self.got, self.allowed = {}, None, [], []
        self.log, self.wait = [], None
        self.before = {}  # lines as they were before the instruction in flight, which may not have acted yet
        self.wanted, self.delay = [], 0  # lines to ask for after so many cycles

    def drive(self, ctx, unit):
        """Inputs of the cycle."""
        if self.request is None:
            if self.wanted and self.delay:
                self.delay -= 1
            elif self.wanted:
                self.request = self.wanted.pop(0)
            elif self.rng is not None and self.rng.random() < self.rate:
                self.request = self.choose(self.rng)
            if self.request is not None:
                self.got, self.allowed = [], []
                self.changed(self.before)
                self.changed()
        port = unit.instruction
        ctx.set(port.valid, self.request is not None)
        if self.request is not None:
            line, domain = self.request
            ctx.set(port.line, line)
            ctx.set(port.domain, domain)
            ctx.set(port.rom, self.reference.kind(line << 6) == "rom")

    def changed(self, raw=None):
        """Memory may have changed: remember what a fetch may now see (in ``raw``, or in the reference)."""
        if self.request and self.reference.kind(self.request[0] << 6) == "ram":
            line, domain = self.request
            raw = (raw or {}).get(line, self.reference.line(line))
            self.allowed.append(bytes(a ^ b for a, b in zip(raw, pad(line, domain), strict=True)))

    def sample(self, ctx, unit):
        """Beats and invalidations of the cycle."""
        if ctx.get(unit.invalidate.valid):
            if self.wait is None:
                self.wait = self.rng.randrange(self.patience + 1) if self.rng else 0
            done = self.wait == 0
            ctx.set(unit.invalidate.done, done)
            if done:
                line, domain = ctx.get(unit.invalidate.line), ctx.get(unit.invalidate.domain)
                if self.held.get(line, domain) != domain:
                    del self.held[line]
                self.wait = None
            else:
                self.wait -= 1
        else:
            ctx.set(unit.invalidate.done, 0)
        port = unit.instruction
        if ctx.get(port.beat_valid):
            assert self.request is not None, "a beat that nobody asked for"
            self.got.append((ctx.get(port.beat.data), ctx.get(port.beat.error)))
            assert bool(ctx.get(port.beat.last)) == (len(self.got) == 8)
            if len(self.got) == 8:
                self._finish()

    def _finish(self):
        line, domain = self.request
        errors = any(error for _, error in self.got)
        kind = self.reference.kind(line << 6)
        assert errors == (line in self.reference.bad_lines or kind not in ("ram", "rom")), (hex(line), errors)
        if not errors:
            for k, (word, _) in enumerate(self.got):
                if kind == "rom":
                    addr = (line << 6) + 8 * k
                    assert word == rom_word(addr) | rom_word(addr + 4) << 32
                else:
                    seen = word.to_bytes(8, "little")
                    assert any(seen == view[8 * k : 8 * k + 8] for view in self.allowed), (hex(line), domain, k)
            self.held[line] = domain
        self.log.append((line, domain))
        self.request = None
