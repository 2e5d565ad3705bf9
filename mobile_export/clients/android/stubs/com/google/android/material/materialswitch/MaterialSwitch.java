package com.google.android.material.materialswitch;

import android.content.Context;
import android.widget.CompoundButton;

/** Stub to compile against: what is called of MaterialSwitch here; nothing runs. */
public class MaterialSwitch extends CompoundButton {
    public MaterialSwitch(Context context) { super(context); }
}
