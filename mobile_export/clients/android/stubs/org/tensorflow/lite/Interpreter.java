package org.tensorflow.lite;

import java.nio.ByteBuffer;
import java.util.Map;

/** Stub to compile against: what is called of Interpreter here; nothing runs. */
public final class Interpreter implements AutoCloseable {
    public static class Options {
        public Options() { }
        public native Options setNumThreads(int numThreads);
    }
    public Interpreter(ByteBuffer byteBuffer, Options options) { }
    public native String[] getSignatureKeys();
    public native String[] getSignatureInputs(String signatureKey);
    public native String[] getSignatureOutputs(String signatureKey);
    public native Tensor getInputTensorFromSignature(String inputName, String signatureKey);
    public native Tensor getOutputTensorFromSignature(String outputName, String signatureKey);
    public native void runSignature(
        Map<String, Object> inputs, Map<String, Object> outputs, String signatureKey);
    public native Long getLastNativeInferenceDurationNanoseconds();
    @Override public native void close();
}
