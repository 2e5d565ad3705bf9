package org.tensorflow.lite;

/** Stub to compile against: what is called of Tensor here; nothing runs. */
public interface Tensor {
    DataType dataType();
    int[] shape();
}
