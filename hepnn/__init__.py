"""hepnn: one network, the same bits in Keras, TFLite, HLS and Verilog."""
