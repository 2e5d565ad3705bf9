package com.google.android.material.chip;

import android.content.Context;
import android.view.ViewGroup;

/** Stub to compile against: what is called of ChipGroup here; nothing runs. */
public class ChipGroup extends ViewGroup {
    public ChipGroup(Context context) { super(context); }
    public native void check(int id);
    public native boolean isSingleSelection();
    public native void setSingleSelection(boolean single);
    public native boolean isSelectionRequired();
    public native void setSelectionRequired(boolean required);
}
