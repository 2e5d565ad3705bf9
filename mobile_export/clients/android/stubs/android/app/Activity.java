package android.app;

import android.content.ContextWrapper;
import android.os.Bundle;
import android.view.View;

/** Stub to compile against: what is called of Activity here; nothing runs. */
public class Activity extends ContextWrapper {
    protected native void onCreate(Bundle savedInstanceState);
    protected native void onDestroy();
    public native void setContentView(View view);
    public final native void runOnUiThread(Runnable action);
}
