package com.google.android.material.materialswitch;

import android.content.Context;
import android.widget.CompoundButton;

/** Stub to compile against: what this project calls of MaterialSwitch, and nothing that runs. */
public class MaterialSwitch extends CompoundButton {
    public MaterialSwitch(Context context) { super(context); }
}
