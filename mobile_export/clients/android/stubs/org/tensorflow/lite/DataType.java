package org.tensorflow.lite;

/** Stub to compile against: what is called of DataType here; nothing runs. */
public enum DataType {
    FLOAT32, INT32, UINT8, INT64, STRING, BOOL, INT16, INT8
}
