"""Does Horovod exchange numbers between two ranks? Started by setup.sh under each launcher."""

import sys

import horovod.tensorflow as hvd
import tensorflow as tf

hvd.init()
total = float(hvd.allreduce(tf.constant(hvd.rank() + 1.0), op=hvd.Sum))
expected = hvd.size() * (hvd.size() + 1) / 2
sys.exit(f"size {hvd.size()}, sum {total}" if hvd.size() != 2 or total != expected else 0)
