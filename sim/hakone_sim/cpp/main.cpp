// The clock loop: the only file that knows the generated model. Every input goes through a register in the bench around
// the system (hakone_sim.builder writes it), so that the harness can set the next cycle's inputs before the edge and a
// cycle takes one evaluation: sample what has settled, step the harness, drive, rise.
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "Vhakone.h"
#include "session.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

// The builder says which memory ports the system has: HAKONE_AXI, HAKONE_SDRAM, or
// HAKONE_LOAD: memory inside, which is filled during reset.
#define AXI(name) top->axi___05F##name
#define SDRAM(name) top->sdram___05F##name

namespace {

using hakone::session;

Vhakone* top;
hakone::Outputs out;
hakone::Inputs in;
uint64_t time_base = 0;  // picoseconds at which the present run began
volatile std::sig_atomic_t interrupted = 0;

#if VM_TRACE
VerilatedVcdC* wave = nullptr;

void dump(uint64_t at) {
    const hakone::Harness& h = *session.harness();
    const hakone::Options& o = h.options();
    if (wave && h.cycle() >= o.wave_from && h.cycle() - o.wave_from < o.wave_cycles) wave->dump(at);
}
#else
void dump(uint64_t) {}
#endif

void settle() { top->eval(); }

void drive() {
#if HAKONE_AXI
    AXI(awready) = in.axi.awready;
    AXI(wready) = in.axi.wready;
    AXI(bvalid) = in.axi.bvalid;
    AXI(bid) = in.axi.bid;
    AXI(bresp) = in.axi.bresp;
    AXI(arready) = in.axi.arready;
    AXI(rvalid) = in.axi.rvalid;
    AXI(rid) = in.axi.rid;
    AXI(rdata) = in.axi.rdata;
    AXI(rresp) = in.axi.rresp;
    AXI(rlast) = in.axi.rlast;
#endif
#if HAKONE_SDRAM
    SDRAM(dq_i) = in.sdram_dq;
#endif
    top->fuse_data = in.fuse_data;
#ifdef HAKONE_BOARD_IO
    top->spi___05Fmiso = in.spi_miso;
    top->buttons = in.buttons;
#endif
    top->uart_tx___05Fready = in.uart_tx_ready;
    top->uart_rx___05Fvalid = in.uart_rx_valid;
    top->uart_rx___05Fpayload = in.uart_rx_payload;
}

void sample() {
#if HAKONE_AXI
    hakone::AxiManager& m = out.axi;
    m.awvalid = AXI(awvalid);
    m.wvalid = AXI(wvalid);
    m.arvalid = AXI(arvalid);
    m.bready = AXI(bready);
    m.rready = AXI(rready);
    if (m.awvalid) m.awid = AXI(awid), m.awaddr = AXI(awaddr), m.awlen = AXI(awlen), m.awsize = AXI(awsize), m.awburst = AXI(awburst);
    if (m.wvalid) m.wdata = AXI(wdata), m.wstrb = AXI(wstrb), m.wlast = AXI(wlast);
    if (m.arvalid) m.arid = AXI(arid), m.araddr = AXI(araddr), m.arlen = AXI(arlen), m.arsize = AXI(arsize), m.arburst = AXI(arburst);
#endif
#if HAKONE_SDRAM
    hakone::SdramInputs& s = out.sdram;
    s.cke = SDRAM(cke), s.cs_n = SDRAM(cs_n), s.ras_n = SDRAM(ras_n), s.cas_n = SDRAM(cas_n), s.we_n = SDRAM(we_n);
    s.ba = SDRAM(ba), s.a = SDRAM(a), s.dqm = SDRAM(dqm), s.dq = SDRAM(dq_o), s.dq_oe = SDRAM(dq_oe);
#endif
#ifdef HAKONE_BOARD_IO
    out.spi_sclk = top->spi___05Fsclk;
    out.spi_mosi = top->spi___05Fmosi;
    out.spi_cs_n = top->spi___05Fcs_n;
    out.leds = top->leds;
#endif
    out.uart_tx_valid = top->uart_tx___05Fvalid;
    out.uart_tx_payload = top->uart_tx___05Fpayload;
    out.uart_rx_ready = top->uart_rx___05Fready;
    out.fuse_addr = top->fuse_addr;
    out.finish_valid = top->finish_valid;
    out.finish_code = top->finish_code;
    out.finish_reset = top->finish_reset;
    out.halted = top->halted;
    out.events = top->probe___05Fevents;
}

/// A rising edge, after which the system sees the inputs that are driven now.
void rise(uint64_t at, uint64_t period) {
    drive();
    top->clk = 1;
    top->eval();
    dump(at);
    top->clk = 0;
    top->eval();
    dump(at + period / 2);
}

#if HAKONE_LOAD
/// Put the images into the memory inside the system, eight bytes a cycle, while it is in reset.
void load_inside() {
    const hakone::AxiMemory& memory = session.harness()->memory();
    top->load_valid = 1;
    for (size_t page = 0; page < memory.touched().size(); page++) {
        for (size_t at = page * 4096; memory.touched()[page] && at < page * 4096 + 4096; at += 8) {
            top->load_address = static_cast<uint32_t>(at);
            memcpy(&top->load_data, memory.bytes().data() + at, 8);
            top->clk = 1;
            top->eval();
            top->clk = 0;
            top->eval();
        }
    }
    // The last word is in the bench's register still.
    top->load_valid = 0;
    top->clk = 1;
    top->eval();
    top->clk = 0;
    top->eval();
}
#endif

void reset() {
    in = session.harness()->reset_inputs();
    top->open_checks = session.harness()->options().open_checks;
    top->clk = 0;
#if HAKONE_LOAD
    top->rst = 1;
    top->eval();  // the first evaluation sees no edge: without it the first word would be lost
    load_inside();
#endif
    // The last edge brings the end of the reset through its register.
    for (unsigned i = 0; i <= hakone::Harness::RESET_CYCLES; i++) {
        top->rst = i < hakone::Harness::RESET_CYCLES;
        drive();
        top->clk = 1;
        top->eval();
        top->clk = 0;
        top->eval();
    }
    out.retire = top->probe___05Fretire.data();
    out.store = top->probe___05Fstore.data();
#if VM_TRACE
    if (!session.harness()->options().wave.empty() && !wave) {
        wave = new VerilatedVcdC;
        top->trace(wave, 99);
        wave->open(session.harness()->options().wave.c_str());
    }
#endif
}

uint64_t now() {
    hakone::Harness* h = session.harness();
    return h ? time_base + h->cycle() * h->options().period_ps : time_base;
}

/// Run until the run has ended or something waits.
void run() {
    hakone::Harness& h = *session.harness();
    const uint64_t period = h.options().period_ps;
    const bool timed = !h.options().wave.empty();
    h.clear_attention();
    while (!h.attention() && !interrupted) {
        sample();
        h.step(out, in);
        rise(timed ? now() : 0, period);
    }
    if (interrupted) h.end(130, "interrupted", "stopped from the keyboard");
}

/// Tests and model take turns: the model runs until a notice or a timer is due, then the tests run.
void run_with_tests() {
    uint64_t idle_time = 0;
    while (!session.stop_requested()) {
        if (session.take_start()) {
            time_base = idle_time;
            reset();
        }
        const uint64_t deadline = session.next_deadline();
        hakone::Harness* run_of_test = session.harness();
        if (run_of_test && !run_of_test->finished()) {
            hakone::Harness& h = *run_of_test;
            const uint64_t period = h.options().period_ps;
            if (deadline != UINT64_MAX) h.wake_at(deadline <= time_base ? 0 : (deadline - time_base + period - 1) / period);
            run();
            if (h.ended()) h.notify(hakone::Notice::FINISHED, 0, static_cast<uint32_t>(h.finish()));
            idle_time = now();
        } else if (deadline != UINT64_MAX) {
            idle_time = deadline;
        } else {
            return;  // nothing will ever happen again
        }
        session.serve(idle_time, settle);
    }
}

int report() {
    hakone::Harness& h = *session.harness();
    const int status = h.finish();
#if VM_TRACE
    if (wave) wave->close();
#endif
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    top = new Vhakone("");  // kept until the end of the process: VPI handles point into it
#if VM_TRACE
    Verilated::traceEverOn(true);
#endif
    int status = 0;
    try {
        if (const char* library = getenv("HAKONE_COCOTB_VPI")) {
            top->eval();
            session.load_cocotb(library);
            run_with_tests();
            session.close();
        } else {
            session.start({argv + 1, argv + argc});
            reset();
            std::signal(SIGINT, [](int) { interrupted = 1; });
            while (session.running()) {
                run();
                session.harness()->notices().clear();
            }
            status = report();
        }
    } catch (const hakone::BadInput& e) {
        fprintf(stderr, "%s\n", e.what());
        status = 2;
    }
    top->final();
    fflush(nullptr);
    _Exit(status);
}
