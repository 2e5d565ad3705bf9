package androidx.camera.core;

import java.util.concurrent.Executor;

/** Stub to compile against: what is called of ImageAnalysis here; nothing runs. */
public final class ImageAnalysis extends UseCase {
    public static final int STRATEGY_KEEP_ONLY_LATEST = 0;
    public static final int OUTPUT_IMAGE_FORMAT_RGBA_8888 = 2;
    public interface Analyzer {
        void analyze(ImageProxy image);
    }
    public native void setAnalyzer(Executor executor, Analyzer analyzer);
    public static final class Builder {
        public Builder() { }
        public native Builder setBackpressureStrategy(int strategy);
        public native Builder setOutputImageFormat(int format);
        public native Builder setOutputImageRotationEnabled(boolean enabled);
        public native ImageAnalysis build();
    }
}
