"""Golden digests: what small sets and answers of the endpoint were, byte for byte, when recorded.

They guard contract 1, an item's identity, through every refactoring. `recorded/*.json` holds them,
`python -m tests.golden.record` writes them anew. `make.py` alone imports the code under test (but
for the command line), so it alone has to follow when that moves.

Why the digests hold on every machine:

- The weights are not drawn by PyTorch. Each tensor follows from its name through NumPy's Philox bit
  generator, whose raw stream NumPy promises to keep, and is written by a safetensors writer of our
  own. So nothing in `aigc` can change them.
- The networks are exact. The first layer has one weight a row, a power of two, and adds 1.5 · 2^23
  units (fp32; 1.5 · 2^7 in bf16), which rounds each noise value to whole units: one operation, one
  rounding, whatever the library. From there on every number is a small multiple of a power of two,
  so that sums have no rounding and no order. `reference.py` computes the same in float64 with NumPy
  alone, and a test holds PyTorch against it.
- tanh is not exact, but it is only taken of multiples of 1/16, and a test shows that none of these
  is near a border between two grey levels. The last LeakyReLU of the residual network is followed
  by a convolution of one weight: one product, one sum.
- Noise is computed in float64 and rounded to float32, and then to units: an error of an ulp would
  have to meet a border that is 2^-20 wide.
- What encoders of files write follows from the versions of their libraries. These are recorded, and
  with another version the decoded pixels are compared instead of the bytes.

Networks with ordinary weights round differently on different CPUs. Their digests are recorded by
kind of CPU (`recorded/rounding.json`); on other kinds pixels may differ by one level.
"""
