package com.google.android.material.chip;

import android.content.Context;
import android.widget.CompoundButton;

/** Stub to compile against: what is called of Chip here; nothing runs. */
public class Chip extends CompoundButton {
    public Chip(Context context) { super(context); }
    public native boolean isCheckable();
    public native void setCheckable(boolean checkable);
}
