package org.tensorflow.lite;

/** Stub to compile against: what this project calls of DataType, and nothing that runs. */
public enum DataType {
    FLOAT32, INT32, UINT8, INT64, STRING, BOOL, INT16, INT8
}
