// Segmenter and Governor on LiteRT: the library that an app depends on.
plugins {
    alias(libs.plugins.android.library)
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
    implementation(libs.litert)
}
