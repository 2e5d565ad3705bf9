package androidx.appcompat.app;

import androidx.activity.ComponentActivity;

/** Stub to compile against: what this project calls of AppCompatActivity, and nothing that runs. */
public class AppCompatActivity extends ComponentActivity { }
