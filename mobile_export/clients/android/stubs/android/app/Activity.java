package android.app;

import android.content.ContextWrapper;
import android.os.Bundle;
import android.view.View;

/** Stub to compile against: what this project calls of Activity, and nothing that runs. */
public class Activity extends ContextWrapper {
    protected native void onCreate(Bundle savedInstanceState);
    protected native void onDestroy();
    public native void setContentView(View view);
    public final native void runOnUiThread(Runnable action);
}
