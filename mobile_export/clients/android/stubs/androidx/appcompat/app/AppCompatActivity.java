package androidx.appcompat.app;

import androidx.activity.ComponentActivity;

/** Stub to compile against: what is called of AppCompatActivity here; nothing runs. */
public class AppCompatActivity extends ComponentActivity { }
