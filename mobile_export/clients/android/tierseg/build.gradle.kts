// Segmenter and Governor on LiteRT: the library that an app depends on.
plugins {
    id("com.android.library")
}

android {
    namespace = "io.tierseg"
    compileSdk = 36

    defaultConfig {
        minSdk = 23
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }
}

kotlin {
    compilerOptions {
        allWarningsAsErrors = true
    }
}

dependencies {
    api(project(":contract"))
    // An app's own choice wins within the range. LiteRT 2.0 has no `Interpreter` for Android.
    implementation("com.google.ai.edge.litert:litert") {
        version {
            require("[1.4.0, 3.0.0[")
            prefer("1.4.2")
            reject("2.0.0", "2.0.1", "2.0.2", "2.0.3")
        }
    }
}
