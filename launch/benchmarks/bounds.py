"""What limits the figures of docs/speed.md that miss their targets."""

PEAK = "memory: normalization, softmax, noise, copies and the optimizer read and write activations"
DEMO = (
    "products of 96 and 192 rows a language, and what has no part in training: data, compiling, "
    "the reader of letters, distances and clips of the report"
)
PRODUCTS = "matrix products, which one thread cannot do faster than its peak"
WEIGHTS = "reading all weights once a frame, by one core"
OPERATIONS = "62 operations in sequence a frame: even the smallest costs about 1,800 cycles"
HTTP = "HTTP in pure Python (h11), gzip, hand-overs between threads, batches that are not full"
WAITING = "CPU time of eight answers, on two cores that the clients of the benchmark share"
STEP = "layer norms, softmax, dropout, Adam and casts, which read and write memory between products"
CLIPS = "the lift, by its arithmetic; opening a file a frame and checking its numbers"
