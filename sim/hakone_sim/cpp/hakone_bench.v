// Bound into the top level: a word that the C++ side changes when tests have something to look at.
module hakone_bench;
  reg [31:0] event_word = 0;
endmodule

bind hakone hakone_bench bench();
